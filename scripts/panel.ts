/** The demo accounts, as DATA_DIR/demo.json keeps them. */
export type Demo = {
  email: string;
  password: string;
  adminEmail: string;
  adminPassword: string;
  clientId: string;
  clientSecret: string;
  resourceServerId: string;
  resourceServerSecret: string;
};

/** What a person sees when the server is up: where it is, who may sign in, and two commands that work as printed. */
export function demoPanel({ issuer, demo }: { issuer: string; demo: Demo | undefined }): string {
  const rule = '─'.repeat(78);
  const head = ['', rule, `  문지기 Munjigi is open at ${issuer}`, rule];
  if (!demo) return [...head, ''].join('\n');
  return [
    ...head,
    `  Open          ${issuer}/`,
    `  Mailbox       ${issuer}/dev/mail`,
    `  Demo account  ${demo.email}  ${demo.password}`,
    `  Admin         ${demo.adminEmail}  ${demo.adminPassword}`,
    `  Demo client   ${demo.clientId}  ${demo.clientSecret}`,
    '',
    '  Get a token:',
    `    TOKEN=$(curl -s -u ${demo.clientId}:${demo.clientSecret} -d grant_type=client_credentials -d scope=api ${issuer}/oauth/token | sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/'); echo $TOKEN`,
    '  Introspect it, as the resource server:',
    `    curl -s -u ${demo.resourceServerId}:${demo.resourceServerSecret} -d token=$TOKEN ${issuer}/oauth/introspect`,
    rule,
    '  Ctrl-C stops the server, then its database. The data stays.',
    '',
  ].join('\n');
}
