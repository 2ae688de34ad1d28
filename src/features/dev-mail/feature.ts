import type { Feature } from '../../feature.ts';
import { mailbox } from './mailbox.ts';

/** The page /dev/mail, which shows mails in development instead of sending them. */
export const devMail: Feature = {
  early: ({ config, database, keyRing }) => (config.environment === 'development' ? [mailbox({ config, database, keyRing })] : []),
};
