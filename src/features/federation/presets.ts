/** Owns the presets of common providers: the settings that, by their documentation, differ from the standard's defaults. */

export const PRESETS: Record<string, { name: string; settings: Record<string, unknown> }> = {
  google: {
    name: 'Google',
    settings: {
      issuer: 'https://accounts.google.com',
      clientAuthMethod: 'client_secret_post',
      scopes: ['openid', 'email', 'profile'],
      offlineParameters: { access_type: 'offline', prompt: 'consent' },
    },
  },
  microsoft: {
    name: 'Microsoft',
    // The tenant of personal accounts. The common tenant issues ID tokens under many issuers, none of which is its own.
    settings: {
      issuer: 'https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0',
      clientAuthMethod: 'client_secret_post',
      scopes: ['openid', 'email', 'profile', 'offline_access'],
      // Microsoft does not say whether an address is verified, so it never counts as proof.
      claims: { subject: 'sub', email: 'email', name: 'name', username: 'preferred_username' },
    },
  },
  apple: {
    name: 'Apple',
    settings: {
      issuer: 'https://appleid.apple.com',
      clientAuthMethod: 'apple',
      scopes: ['openid', 'email', 'name'],
      authorizationParameters: { response_mode: 'form_post' },
      claims: { subject: 'sub', email: 'email', emailVerified: 'email_verified' },
    },
  },
  github: {
    name: 'GitHub',
    settings: {
      endpoints: {
        authorization: 'https://github.com/login/oauth/authorize',
        token: 'https://github.com/login/oauth/access_token',
        userinfo: 'https://api.github.com/user',
      },
      clientAuthMethod: 'client_secret_post',
      scopes: ['read:user', 'user:email'],
      claims: { subject: 'id', email: 'email', name: 'name', username: 'login' },
    },
  },
  kakao: {
    name: '카카오',
    settings: {
      endpoints: {
        authorization: 'https://kauth.kakao.com/oauth/authorize',
        token: 'https://kauth.kakao.com/oauth/token',
        userinfo: 'https://kapi.kakao.com/v2/user/me',
      },
      clientAuthMethod: 'client_secret_post',
      scopes: ['profile_nickname', 'account_email'],
      scopeSeparator: ',',
      claims: {
        subject: 'id',
        email: 'kakao_account.email',
        emailVerified: 'kakao_account.is_email_verified',
        name: 'kakao_account.profile.nickname',
      },
    },
  },
  naver: {
    name: '네이버',
    settings: {
      endpoints: {
        authorization: 'https://nid.naver.com/oauth2.0/authorize',
        token: 'https://nid.naver.com/oauth2.0/token',
        userinfo: 'https://openapi.naver.com/v1/nid/me',
      },
      clientAuthMethod: 'client_secret_post',
      claims: { subject: 'response.id', email: 'response.email', name: 'response.name', username: 'response.nickname' },
    },
  },
};

/** @returns the settings of a preset; empty without a name. @throws RangeError for an unknown preset. */
export function presetNamed(name: string | undefined): Record<string, unknown> {
  if (name === undefined) return {};
  const preset = Object.hasOwn(PRESETS, name) ? PRESETS[name] : undefined;
  if (!preset) throw new RangeError(`there is no preset ${name}: there are ${Object.keys(PRESETS).join(', ')}`);
  return preset.settings;
}
