// Copies what an element says. Without this script the buttons stay hidden: what is to be copied can be marked by hand.
for (const button of document.querySelectorAll('[data-copies]')) {
  const source = document.getElementById(button.dataset.copies);
  const status = document.getElementById(`${button.dataset.copies}-copied`);
  button.hidden = false;
  button.addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(source.textContent);
      status.textContent = button.dataset.copied;
    } catch {
      // The browser does not let us: it is marked, and one key away.
      getSelection().selectAllChildren(source);
    }
  });
}
