// What the page can do better with a script; without one it loses these tools only.
"use strict";
const byId = (id) => document.getElementById(id);
const messages = () => document.querySelectorAll(".ladder details");

byId("tools").hidden = false;
byId("open").onclick = () => messages().forEach((m) => { if (m.checkVisibility()) m.open = true; });
byId("close").onclick = () => messages().forEach((m) => { m.open = false; });

byId("find").oninput = (event) => {
  const wanted = event.target.value.trim().toLowerCase();
  document.querySelectorAll(".ladder .row").forEach((row) => {
    const text = (row.querySelector("summary") ?? row).textContent.toLowerCase();
    row.classList.toggle("missed", wanted !== "" && !text.includes(wanted));
  });
};
document.querySelector(".filters").onsubmit = (event) => event.preventDefault();

if (navigator.clipboard) {
  const copy = byId("copy");
  copy.hidden = false;
  copy.onclick = async () => {
    await navigator.clipboard.writeText(byId("rerun").textContent);
    copy.textContent = "Copied";
  };
}
