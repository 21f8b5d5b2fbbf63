// Tells the page when the server has news; its parts then ask for themselves (hx-trigger="news from:body").
// A page in the background listens to nothing, and looks once when it is in front again.
(() => {
  "use strict";
  const address = document.body.dataset.news;
  if (!address || !window.EventSource) return;
  let source = null;
  let once_more = 0;
  const fire = () => document.body.dispatchEvent(new CustomEvent("news"));
  // News that comes while a part is being fetched or put in place finds nobody listening: so it is told twice.
  const tell = () => {
    fire();
    clearTimeout(once_more);
    once_more = setTimeout(fire, 1500);
  };
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
