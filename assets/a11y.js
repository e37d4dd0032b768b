// Repairs of the book theme, found with axe-core.
addEventListener('load', () => {
  const repair = () => {
    // Where a control shows text, that text is its name.
    for (const control of document.querySelectorAll("button.search-button__button, details.hide > summary")) {
      if (control.innerText.trim()) control.removeAttribute("aria-label");
    }
    for (const icon of document.querySelectorAll('.theme-switch-button :is(svg, i)')) {
      icon.setAttribute('aria-hidden', 'true');
      icon.removeAttribute('aria-labelledby');
      icon.querySelector('title')?.remove();
    }
    const title = document.querySelector('.sidebar-primary-items__start > .sidebar-primary-item:first-child');
    title?.setAttribute('role', 'region');
    title?.setAttribute('aria-label', 'Book title');
    // What scrolls must be reachable by keyboard.
    for (const box of document.querySelectorAll('.bd-article :is(pre, table, mjx-container[display="true"])')) {
      if (box.scrollWidth > box.clientWidth) box.setAttribute('tabindex', '0');
    }
  };
  repair();
  setTimeout(repair, 800); // Font Awesome replaces <i> by <svg> late
  addEventListener('resize', () => requestAnimationFrame(repair)); // what fits on a wide page may scroll on a narrow one
});
