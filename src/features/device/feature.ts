import type { Feature } from '../../feature.ts';
import { ROUTES } from '../../oauth/routes.ts';
import { AppError } from '../../platform/errors.ts';
import { derivedSecret } from '../../platform/secrets.ts';
import { createDeviceCodeStore } from './device-codes.ts';
import { deviceFlow } from './device-flow.ts';
import { createDevicePages, USER_CODE_MASK } from './device-pages.ts';

/** Devices without a browser: the user enters a code on another device (RFC 8628). */
export const device: Feature = {
  libraryFeatures: ({ database }) => ({
    deviceFlow: { enabled: true, charset: 'base-20', mask: USER_CODE_MASK, ...createDevicePages(database) },
  }),
  stores: ({ config, database }) => ({
    DeviceCode: createDeviceCodeStore(database, () => config.dataEncryptionKeys.map((key) => derivedSecret(key, 'user codes of devices'))),
  }),
  aroundEndpoints: ({ provider, config, database }) => [deviceFlow(provider, config, database)],
  raceLost: (ctx, reason) =>
    ctx.path.startsWith(ROUTES.code_verification) ? new AppError('device_answered', { status: 400, reason }) : undefined,
};
