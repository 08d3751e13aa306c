// Takes pictures that are pasted or dropped, shows them, and hands them to the extension.
(() => {
  const vscode = acquireVsCodeApi();
  const shown = document.getElementById("pictures");
  const attach = document.getElementById("attach");
  const pictures = [];

  const draw = () => {
    attach.disabled = pictures.length === 0;
    shown.replaceChildren(...pictures.map((picture) => {
      const item = document.createElement("li");
      const image = document.createElement("img");
      image.src = picture.url;
      image.alt = picture.name;
      const remove = document.createElement("button");
      remove.textContent = "Remove";
      remove.setAttribute("aria-label", `Remove ${picture.name}`);
      remove.addEventListener("click", () => {
        pictures.splice(pictures.indexOf(picture), 1);
        draw();
        attach.focus();
      });
      item.append(image, picture.name, remove);
      return item;
    }));
  };

  const take = (data, event) => {
    const files = [...(data?.files ?? [])].filter((file) => file.type.startsWith("image/"));
    if (!files.length) return;
    event.preventDefault();
    for (const file of files) {
      const reader = new FileReader();
      reader.addEventListener("load", () => {
        pictures.push({ name: file.name || "pasted picture", url: reader.result });
        draw();
        attach.focus();
      });
      reader.readAsDataURL(file);
    }
  };

  document.addEventListener("paste", (event) => take(event.clipboardData, event));
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => take(event.dataTransfer, event));
  document.querySelector("main").removeAttribute("aria-busy");
  attach.addEventListener("click", () => {
    vscode.postMessage({ pictures: pictures.map(({ name, url }) => ({ name, data: url.slice(url.indexOf(",") + 1) })) });
  });
})();
