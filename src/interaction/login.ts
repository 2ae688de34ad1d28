import { verifyCredentials } from '../accounts/store.ts';
import { render } from '../http/render.ts';
import { allowFormAction } from '../http/security-headers.ts';
import { finish } from './finish.ts';
import { passkeyOf } from './passkey.ts';
import type { Step } from './step.ts';

/** Owns the sign-in page. Does not decide whether sign-in is needed: see interaction-policy.ts. */

export async function showLogin(step: Step): Promise<void> {
  const hint = step.interaction.params['login_hint'];
  await page(step, { email: typeof hint === 'string' ? hint : '' });
}

export async function submitLogin(step: Step, form: URLSearchParams): Promise<void> {
  const email = form.get('email') ?? '';
  const account = await verifyCredentials(step.services.database, email, form.get('password') ?? '');
  // One sentence for an unknown address and a wrong password: which it was is nobody's business (OWASP authentication).
  if (!account) return page(step, { email, failed: true }, 401);
  await finish(step, { login: { accountId: account.id, amr: ['pwd'] } });
}

async function page(step: Step, fields: { email: string; failed?: boolean }, status = 200): Promise<void> {
  const { ctx, interaction, csrf, services } = step;
  const client = await services.provider.Client.find(String(interaction.params['client_id']));
  allowFormAction(ctx, String(interaction.params['redirect_uri']));
  render(
    ctx,
    'interaction/login',
    {
      ...fields,
      csrf,
      passkey: passkeyOf(step),
      action: `/interaction/${interaction.uid}/login`,
      clientName: client?.clientName ?? client?.clientId,
    },
    status,
  );
}
