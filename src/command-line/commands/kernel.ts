import type { Command } from '../command.ts';
import { CONFIG_COMMANDS } from './config.ts';
import { DATA_COMMANDS } from './data.ts';
import { END_BETWEEN } from './grants.ts';
import { RESEAL } from './keys.ts';
import { CLIENT_COMMANDS } from './new-client.ts';
import { AFTER_RESTORE } from './restored.ts';

/** The commands of the kernel that no route of the admin API gives. */
export const KERNEL_COMMANDS: readonly Command[] = [
  ...CONFIG_COMMANDS,
  ...DATA_COMMANDS,
  AFTER_RESTORE,
  END_BETWEEN,
  RESEAL,
  ...CLIENT_COMMANDS,
];
