import type { Feature } from '../../feature.ts';

/** Moving in from another authorization server: its clients and users, out of its export. It has a command and no page. */
export const movingIn: Feature = {
  commands: async () => [(await import('./commands.ts')).IMPORT],
};
