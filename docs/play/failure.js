// Says on the page why it does not run. A classic script before the modules, which a browser may
// refuse as a whole: an old one, or any if a file is missing.

{
  const say = (reason) => {
    if (document.body.dataset.state === "failed") return; // what came first is the cause
    document.body.dataset.state = "failed";
    const place = document.querySelector(".lead");
    place.role = "alert";
    place.textContent =
      `The page does not run: ${reason}. Load it again, or try another browser. ` +
      "In a clone of the repository, `make play` makes what it loads.";
  };
  const load = ({ message }) => {
    // Later errors are those of extensions of the browser, and the page runs.
    if (document.body.dataset.state === "loading") say(message || "a part could not be loaded");
  };
  addEventListener("error", load, true); // of a file too, which does not bubble
  addEventListener("unhandledrejection", ({ reason }) => say(reason?.message || reason));
}
