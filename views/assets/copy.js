// What a user has to keep can be copied or printed by a button. Without this script, or a clipboard, the buttons stay hidden.
for (const button of document.querySelectorAll('[data-prints]')) {
  button.hidden = false;
  button.addEventListener('click', () => print());
}
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
      await navigator.clipboard.writeText(textOf(source));
      said.textContent = ` ${button.dataset.copied}`;
    } catch {
      getSelection().selectAllChildren(source);
    }
  });
}

// The items of a list stand on lines of their own.
function textOf(source) {
  const items = [...source.querySelectorAll('li')];
  return items.length ? items.map((item) => item.textContent.trim()).join('\n') : (source.value ?? source.textContent);
}
