// ---------------------------------------------------------------- the file to save: overrides.csv and masks/, in a ZIP that compresses nothing

function crc32(bytes) {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (0xedb88320 & -(crc & 1));
  }
  return ~crc >>> 0;
}

function zipped(files) {  // APPNOTE.TXT 4.3: for each file a header and its bytes, then the directory and its end
  const parts = [], directory = [];
  let offset = 0;
  const numbers = (...pairs) => { const view = new DataView(new ArrayBuffer(pairs.reduce((sum, [size]) => sum + size, 0))); let at = 0;
    for (const [size, value] of pairs) { size === 2 ? view.setUint16(at, value, true) : view.setUint32(at, value, true); at += size; } return new Uint8Array(view.buffer); };
  for (const [name, bytes] of files) {
    const called = new TextEncoder().encode(name);
    const shared = [[2, 20], [2, 0x800], [2, 0], [2, 0], [2, 0x21], [4, crc32(bytes)], [4, bytes.length], [4, bytes.length], [2, called.length], [2, 0]];
    parts.push(numbers([4, 0x04034b50], ...shared), called, bytes);
    directory.push(numbers([4, 0x02014b50], [2, 20], ...shared, [2, 0], [2, 0], [2, 0], [4, 0], [4, offset]), called);
    offset += 30 + called.length + bytes.length;
  }
  const size = directory.reduce((sum, part) => sum + part.length, 0);
  return [...parts, ...directory, numbers([4, 0x06054b50], [2, 0], [2, 0], [2, files.length], [2, files.length], [4, size], [4, offset], [2, 0])];
}

const inert = text => /^[=+\-@\t']/.test(text) ? "'" + text : text;
const quoted = text => /[",;\n]/.test(text) ? '"' + text.replaceAll('"', '""') + '"' : text;
const line = (image, ...cells) => ["sha256:" + image, ...cells.map(inert)].map(quoted).join(",");
document.getElementById("save").addEventListener("click", () => {
  const me = by.value.trim();
  if (!me && [...byImage.values()].some(isChanged)) {
    by.setCustomValidity(word("name_needed"));
    by.reportValidity();
    return;
  }
  const lines = ["image,decision,caption,by,why", ...data.others.map(other => line(...other))];
  for (const card of byImage.values()) {
    const { decision, caption, why } = told(card);
    if (decision || caption || why) lines.push(line(card.image, decision, caption, isChanged(card) ? me : card.by, why));
  }
  const text = "\ufeff" + lines.join("\r\n") + "\r\n";
  const files = [["overrides.csv", new TextEncoder().encode(text)]];
  for (const [image, mask] of masks) files.push([`masks/${image}.png`, Uint8Array.from(atob(mask.split(",")[1]), sign => sign.charCodeAt(0))]);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(zipped(files), { type: "application/zip" }));
  link.download = `${data.slug}.overrides.zip`;
  link.click();
  isSaved = true;
});
