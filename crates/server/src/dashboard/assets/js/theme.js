// Runs before the first paint, so that a chosen theme never flashes.
"use strict";
(() => {
  try {
    const theme = localStorage.getItem("longhaul.theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch {
    // Storage is switched off: the system's theme it is.
  }
})();
