"use strict";
// Light or dark: the system's choice until the button is pressed, then what was chosen. Runs before anything is painted.
(() => {
  const root = document.documentElement;
  const key = "ml-loadtest-theme";
  const system = matchMedia("(prefers-color-scheme: dark)");
  root.classList.add("scripted");

  const kept = () => {
    try {
      return localStorage.getItem(key);
    } catch {
      return null; // a browser may forbid it for files
    }
  };
  const keep = (theme) => {
    try {
      localStorage.setItem(key, theme);
    } catch {
      // then it lasts as long as the page
    }
  };
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);

  if (["light", "dark"].includes(kept())) root.dataset.theme = kept();

  addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    const show = () => {
      button.setAttribute("aria-pressed", String(isDark()));
      dispatchEvent(new Event("theme"));
    };
    button.hidden = false;
    button.addEventListener("click", () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      keep(root.dataset.theme);
      show();
    });
    system.addEventListener("change", show);
    show();
  });
})();
