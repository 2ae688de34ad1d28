// A courtesy: while a form is on its way, its buttons are busy, and another press sends nothing. The server does not depend on it: it answers a
// second press like the first. The buttons are free again when the page is shown again, and after a while: an answer may be a file, or be lost.
const BUSY_MS = 4000;

const busy = new Map();

function free(form) {
  clearTimeout(busy.get(form));
  busy.delete(form);
  form.removeAttribute('aria-busy');
}

addEventListener('submit', (event) => {
  const form = event.target;
  // Another script has it, or it only asks for another view of a list.
  if (event.defaultPrevented || form.method !== 'post') return;
  if (busy.has(form)) return event.preventDefault();
  form.setAttribute('aria-busy', 'true');
  busy.set(
    form,
    setTimeout(() => free(form), BUSY_MS),
  );
});

// Also when the browser shows a page that it kept, after "back".
addEventListener('pageshow', () => {
  for (const form of [...busy.keys()]) free(form);
});
