import type { Feature } from './feature.ts';
import { account } from './features/account/feature.ts';
import { admin } from './features/admin/feature.ts';
import { backups } from './features/backups/feature.ts';
import { devMail } from './features/dev-mail/feature.ts';
import { developer } from './features/developer/feature.ts';
import { device } from './features/device/feature.ts';
import { federation } from './features/federation/feature.ts';
import { logos } from './features/logos/feature.ts';
import { movingIn } from './features/moving-in/feature.ts';
import { passkeys } from './features/passkeys/feature.ts';
import { registration } from './features/registration/feature.ts';
import { requestLimits } from './features/request-limits/feature.ts';
import { shortIntrospection } from './features/short-introspection/feature.ts';
import { totp } from './features/totp/feature.ts';
import { SEALED_KEYS } from './oauth/keys/signing-keys.ts';
import type { SealedColumn } from './platform/sealed-column.ts';

/** Every feature, one line each. The order applies to their routes and to their middleware around the endpoints. */
export const FEATURES: readonly Feature[] = [
  registration, //  clients register themselves (RFC 7591, RFC 7592)
  device, //        devices without a browser (RFC 8628)
  federation, //    sign-in by other providers, and their tokens for clients (RFC 8693)
  passkeys, //      sign-in by passkeys (WebAuthn)
  totp, //          codes of an authenticator app (RFC 6238)
  account, //       the user's own pages
  developer, //     the developer portal
  admin, //         administration: pages and API
  shortIntrospection, // a short way for the usual introspection (RFC 7662)
  requestLimits, // limits on what strangers send to the endpoints
  logos, //         logos of clients, as this server's own pictures
  backups, //       exports and restores of the data
  devMail, //       the mails of a development server
  movingIn, //      import of another server's clients and users
];

/** Columns that the key ring encrypts. */
export const SEALED_COLUMNS: readonly SealedColumn[] = [SEALED_KEYS, ...FEATURES.flatMap(({ sealed }) => sealed ?? [])];
