// What scrolls must be reachable by keyboard, and what scrolls depends on the window. The theme does this for code;
// tools/pages/html_repairs.py does what does not depend on the window.
{
  const reach = () => {
    for (const box of document.querySelectorAll('.bd-article :is(table, div.math)')) {
      if (box.scrollWidth > box.clientWidth) box.setAttribute('tabindex', '0');
      else box.removeAttribute('tabindex');
    }
  };
  addEventListener('load', reach);
  addEventListener('resize', () => requestAnimationFrame(reach)); // what fits on a wide page may scroll on a narrow one
}
