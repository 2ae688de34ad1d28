import type { Feature } from '../../feature.ts';
import { mailbox } from './mailbox.ts';

/** The page /dev/mail, which shows mails in development instead of sending them. */
export const devMail: Feature = {
  early: ({ config, database }) => (config.environment === 'development' ? [mailbox({ database, config })] : []),
};
