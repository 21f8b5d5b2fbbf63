// Tells the page when the server has news; its parts then ask for themselves (hx-trigger="news from:body").
// A page in the background listens to nothing, and looks once when it is in front again.
(() => {
  "use strict";
  const address = document.body.dataset.news;
  if (!address || !window.EventSource) return;
  let source = null;
  let broke = false;
  const tell = () => document.body.dispatchEvent(new CustomEvent("news"));
  const listen = () => {
    source = new EventSource(address);
    source.addEventListener("news", tell);
    source.addEventListener("error", () => { broke = true; });
    source.addEventListener("hello", () => { if (broke) tell(); broke = false; });
  };
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      source?.close();
      source = null;
    } else if (!source) {
      listen();
      tell();
    }
  });
  window.addEventListener("pagehide", () => source?.close());
  if (!document.hidden) listen();
})();
