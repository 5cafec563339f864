for (const atlas of document.querySelectorAll(".atlas")) {
  const frames = [...atlas.querySelectorAll(".frame")];
  const slider = atlas.querySelector("input");
  const show = (chosen) => {
    frames.forEach((frame, i) => frame.toggleAttribute("hidden", i !== chosen));
    atlas.querySelector("output").textContent = frames[chosen].dataset.words;
  };
  slider?.addEventListener("input", () => show(Number(slider.value)));
  show(0);
}
