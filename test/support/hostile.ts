/** Percent-encoded and raw, as they are put on the wire: text that Postgres cannot keep. */
export const NUL = ['%00', 'a%00b', '%2500%00'];
/** What no decoder can read as UTF-8: a lone surrogate, overlong, cut short, not hexadecimal. */
export const MALFORMED = ['%ED%A0%80', '%C0%80', '%FF%FE', '%E2%82', '%zz', '%', '%u0000'];
/** Raw octets in a body. */
export const RAW = ['\0', 'a\0b', '\u00ed\u00a0\u0080', '\u00ff\u00fe', '\u00c3\u0028'];
/** Parameters of an authorization request. */
export const AUTHORIZATION = [
  'client_id',
  'redirect_uri',
  'response_type',
  'response_mode',
  'scope',
  'state',
  'nonce',
  'login_hint',
  'prompt',
  'max_age',
  'ui_locales',
  'claims_locales',
  'acr_values',
  'display',
  'id_token_hint',
  'code_challenge',
  'code_challenge_method',
  'resource',
  'dpop_jkt',
  'request',
  'request_uri',
];
