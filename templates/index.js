const words = document.getElementById("words");
const rows = Array.from(document.querySelectorAll("#findings tbody tr"));
const shown = document.getElementById("shown");
const filter = () => {
  const wanted = words.value.toLowerCase().split(/\s+/);
  let count = 0;
  for (const row of rows) {
    const text = row.textContent.toLowerCase();
    const match = wanted.every((word) => text.includes(word));
    row.classList.toggle("hidden", !match);
    count += match ? 1 : 0;
  }
  shown.textContent = count + " of " + rows.length + " rows";
};
if (words) {
  words.addEventListener("input", filter);
  filter();
}
