import type { Feature } from '../../feature.ts';

/** Exports of all lasting data, their restore, and what ends after the restore of a physical backup. It has commands and no page. */
export const backups: Feature = {
  async commands() {
    const [{ DATA_COMMANDS }, { AFTER_RESTORE }] = await Promise.all([import('./commands/data.ts'), import('./commands/restored.ts')]);
    return [...DATA_COMMANDS, AFTER_RESTORE];
  },
};
