import type { OwnPage } from '../../../pages/own-pages.ts';
import { imported } from '../clients/import.ts';
import { manifest, manifestFile } from '../clients/manifest.ts';
import { invitations } from './invitations.ts';
import { owners } from './owners.ts';

/** The pages that share a client or move it: owners, invitations, manifest and import. */
export const OWNER_PAGES: Record<string, OwnPage> = {
  '/developer/import': imported,
  '/developer/invitations': invitations,
  '/developer/clients/:client/owners': owners,
  '/developer/clients/:client/manifest': manifest,
  '/developer/clients/:client/manifest/file': manifestFile,
};
