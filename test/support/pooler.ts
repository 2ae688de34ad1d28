/**
 * Where `npm test` runs through a pooler (MUNJIGI_TEST_POOLER=1), the servers of tests reach their databases through it. What tests themselves ask,
 * and LISTEN, goes past it. @returns the address as it is for another server, such as one that a test cuts the wire to.
 */
export function throughPooler(databaseUrl: string): string {
  const [pooler, direct] = [process.env['TEST_POOLER_URL'], process.env['TEST_DATABASE_URL']];
  if (!pooler || !direct) return databaseUrl;
  const url = new URL(databaseUrl);
  if (url.host !== new URL(direct).host) return databaseUrl;
  url.host = new URL(pooler).host;
  url.searchParams.set('pgbouncer', 'true');
  return url.href;
}
