import type { Page } from 'playwright-core';
import { TOUR, type Visit } from './tour.ts';
import { ADMIN_TOUR } from './tour-admin.ts';
import { CONNECT_TOUR } from './tour-connect.ts';
import { ENDING_TOUR } from './tour-endings.ts';
import { FACTOR_TOUR } from './tour-factors.ts';
import { LINK_TOUR } from './tour-links.ts';

import { PORTAL_TOUR } from './tour-portal.ts';
import { PORTAL_API_TOUR } from './tour-portal-apis.ts';
import { PORTAL_TOOLS_TOUR } from './tour-portal-tools.ts';

import { UPSTREAM_TOUR } from './tour-upstream.ts';

/** Every page there is. What walks through all of them takes them from here, so that a page that is added is looked at in every way. */
export const EVERY_PAGE: Record<string, (page: Page, visit: Visit) => Promise<void>> = {
  ...TOUR,
  ...ENDING_TOUR,
  ...FACTOR_TOUR,
  ...UPSTREAM_TOUR,
  ...CONNECT_TOUR,
  ...LINK_TOUR,
  ...PORTAL_TOUR,
  ...PORTAL_TOOLS_TOUR,
  ...PORTAL_API_TOUR,
  ...ADMIN_TOUR,
};
