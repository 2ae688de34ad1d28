// A password can be looked at while it is typed. Without this script the buttons stay hidden, and nothing else is missing.
for (const button of document.querySelectorAll('[data-reveals]')) {
  const field = document.getElementById(button.dataset.reveals);
  const show = (shown) => {
    field.type = shown ? 'text' : 'password';
    button.setAttribute('aria-pressed', String(shown));
  };
  button.hidden = false;
  button.addEventListener('click', () => show(field.type === 'password'));
  // Browsers keep what is a password when it is sent.
  field.form.addEventListener('submit', () => show(false));
}
