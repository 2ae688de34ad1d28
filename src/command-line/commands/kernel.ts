import type { Command } from '../command.ts';
import { CONFIG_COMMANDS } from './config.ts';
import { END_BETWEEN } from './grants.ts';
import { RESEAL } from './keys.ts';
import { CLIENT_COMMANDS } from './new-client.ts';

/** The commands of the kernel that no route of the admin API gives. */
export const KERNEL_COMMANDS: readonly Command[] = [...CONFIG_COMMANDS, END_BETWEEN, RESEAL, ...CLIENT_COMMANDS];
