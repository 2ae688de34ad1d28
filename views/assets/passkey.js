// Passkeys, by the browser's own words. A form says which ceremony (data-passkey), and where its options are (data-options); what the
// authenticator answers goes back in that form, so that everything after it is an ordinary page. Without this file the forms stay hidden.

// Options hold for five minutes on the server's side: those that wait for autofill are asked for anew before that.
const RENEW_MS = 4 * 60_000;

const known = typeof PublicKeyCredential === 'function' && 'parseRequestOptionsFromJSON' in PublicKeyCredential;

let waiting = new AbortController();
let renewal;

/** Only one ceremony at a time: whichever begins ends the one before. */
function begin() {
  waiting.abort();
  clearTimeout(renewal);
  waiting = new AbortController();
  return waiting.signal;
}

async function ceremony(form, mediation) {
  const signal = begin();
  const answer = await fetch(form.dataset.options, { headers: { accept: 'application/json' }, signal });
  // Signed out, expired or too old a sign-in: the page itself knows what to do about it.
  if (answer.redirected || !answer.ok) return mediation ? undefined : location.reload();
  const options = await answer.json();
  const credential =
    form.dataset.passkey === 'create'
      ? await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options), signal })
      : await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options), mediation, signal });
  form.elements.credential.value = JSON.stringify(credential.toJSON());
  form.submit();
}

/** The browser offers passkeys in the field for the address. Whatever goes wrong with an offer that nobody asked for, nobody is told. */
async function autofill(form) {
  if (!(await PublicKeyCredential.isConditionalMediationAvailable?.())) return;
  ceremony(form, 'conditional').catch(() => {});
  renewal = setTimeout(() => autofill(form), RENEW_MS);
}

/** Shows a sentence that the page has brought along, and reads it out. */
function tell(sentence) {
  sentence.setAttribute('role', 'alert');
  sentence.hidden = false;
}

if (known)
  for (const form of document.querySelectorAll('form[data-passkey]')) {
    form.hidden = false;
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      for (const told of form.querySelectorAll('[data-problem]')) told.hidden = true;
      ceremony(form).catch((error) => {
        // Another ceremony took over, such as by a second click.
        if (error.name === 'AbortError') return;
        const known = error.name === 'InvalidStateError' && form.querySelector('[data-problem=known]');
        tell(known || form.querySelector('[data-problem=""]'));
        if ('autofill' in form.dataset) autofill(form);
      });
    });
    if ('autofill' in form.dataset) autofill(form);
  }
else for (const told of document.querySelectorAll('[data-without-passkeys]')) told.hidden = false;
