/** What a person sees when everything is up. */
export function panel({ places: { munjigi, haru, notes, app }, haruPerson, demo, dataDir }) {
  const rule = '─'.repeat(78);
  return [
    '',
    rule,
    `  마당 Madang, the app, is open at ${app.url}`,
    rule,
    `  Munjigi        ${munjigi.url}          signs people in, and keeps their tokens`,
    `  Haru           ${haru.url}          an upstream to sign in by, and a service`,
    `  Notes          ${notes.url}          a service with plain OAuth 2.0`,
    '',
    `  At Haru        ${haruPerson.email}  ${haruPerson.password}`,
    `  At Munjigi     ${demo.email}  ${demo.password}`,
    '  At Notes       nobody signs in: it asks who you are',
    '',
    `  Try it         ${notes.url}/ takes access back, or plays out of order`,
    `                 ${munjigi.url}/account/links ends a link`,
    `  Mailbox        ${munjigi.url}/dev/mail`,
    `  Logs           ${dataDir}/{munjigi,haru,notes,app}.log`,
    rule,
    '  Ctrl-C stops everything. Accounts and links stay; Notes forgets its tokens.',
    '',
  ].join('\n');
}
