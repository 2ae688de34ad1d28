// What a person is to take along can be copied by a button. Without this script, or a clipboard, the buttons stay hidden.
for (const button of document.querySelectorAll('[data-copies]')) {
  if (!navigator.clipboard) break;
  const source = document.getElementById(button.dataset.copies);
  // It has to be there before something is said in it.
  const said = document.createElement('span');
  said.setAttribute('role', 'status');
  said.className = 'small';
  button.after(said);
  button.hidden = false;
  button.addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(source.value ?? source.textContent);
      said.textContent = ` ${button.dataset.copied}`;
    } catch {
      getSelection().selectAllChildren(source);
    }
  });
}
