// Tells the page when the server has news; its parts then ask for themselves (hx-trigger="news from:body").
// A page in the background listens to nothing, and looks once when it is in front again.
(() => {
  "use strict";
  const address = document.body.dataset.news;
  if (!address || !window.EventSource) return;
  let source = null;
  const tell = () => document.body.dispatchEvent(new CustomEvent("news"));
  const listen = () => {
    source = new EventSource(address);
    source.addEventListener("news", tell);
    // Whatever happened before the stream stood would be missed.
    source.addEventListener("hello", tell);
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
