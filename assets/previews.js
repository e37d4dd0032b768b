// A preview of what a link leads to, on hover and on keyboard focus. Escape closes it; the pointer may move into it.
{
  const held = new Map(
    [...(document.getElementById('previews')?.content.children ?? [])].map((piece) => [piece.dataset.of, piece]));
  const article = document.querySelector('article');
  const tip = document.createElement('div');
  tip.id = 'preview';
  tip.setAttribute('role', 'tooltip');
  tip.hidden = true;
  article.append(tip);
  let shown = null;
  let waiting = 0;

  /** What a link shows: a piece that travels with the page, or, for a claim, what stands on the page itself. */
  function pieceOf(link) {
    const of = link.dataset.preview;
    const claim = of.startsWith('#') && document.getElementById(of.slice(1));
    return held.get(of) ?? (claim && claim.matches('.claim') ? claim : null);
  }

  function place(link) {
    const frame = article.getBoundingClientRect();
    const line = link.getClientRects()[0];
    const left = Math.min(line.left, frame.right - tip.offsetWidth) - frame.left;
    const below = line.bottom + tip.offsetHeight + 8 < innerHeight || line.top < tip.offsetHeight + 8;
    tip.style.left = `${Math.max(0, left)}px`;
    tip.style.top = `${(below ? line.bottom + 2 : line.top - tip.offsetHeight - 2) - frame.top}px`;
  }

  function hide() {
    clearTimeout(waiting);
    shown?.removeAttribute('aria-describedby');
    shown = null;
    tip.hidden = true;
  }

  function show(link) {
    clearTimeout(waiting);
    if (shown === link) return;
    hide();
    const piece = pieceOf(link);
    if (!piece) return;
    tip.replaceChildren(...[...piece.childNodes].map((node) => node.cloneNode(true)));
    shown = link;
    link.setAttribute('aria-describedby', tip.id);
    tip.hidden = false;
    place(link);
  }

  const later = (act, delay) => { clearTimeout(waiting); waiting = setTimeout(act, delay); };
  const linkAt = (event) => event.target.closest?.('a[data-preview]');

  article.addEventListener('pointerover', (event) => {
    if (event.pointerType === 'touch') return; // a tap follows the link
    if (tip.contains(event.target)) clearTimeout(waiting);
    else if (linkAt(event)) later(() => show(linkAt(event)), 150);
  });
  article.addEventListener('pointerout', (event) => {
    if (linkAt(event) || tip.contains(event.target)) later(hide, 250);
  });
  article.addEventListener('focusin', (event) => {
    if (linkAt(event)?.matches(':focus-visible')) show(linkAt(event));
  });
  article.addEventListener('focusout', (event) => { if (linkAt(event)) hide(); });
  addEventListener('keydown', (event) => { if (event.key === 'Escape') hide(); });
}
