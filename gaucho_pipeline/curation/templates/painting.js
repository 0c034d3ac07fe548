// ---------------------------------------------------------------- painting a mask: white is the subject, by mouse, finger or keys

const PAINT_SIDE = 768;
const paintDialog = document.getElementById("paint"), pictureCanvas = document.getElementById("picture"), maskCanvas = document.getElementById("mask");
const cover = maskCanvas.getContext("2d", { willReadFrequently: true });
let painting = null;  // { card, button, history, corners, cursor, isDown }

const tool = () => paintDialog.querySelector("input[name=tool]:checked").value;
const brushSize = () => Number(document.getElementById("brush").value) * maskCanvas.width / 768;

function openPaint(card, button) {
  const picture = new Image();
  picture.addEventListener("load", () => {
    const scale = Math.min(1, PAINT_SIDE / Math.max(picture.naturalWidth, picture.naturalHeight));
    for (const canvas of [pictureCanvas, maskCanvas]) {
      canvas.width = Math.max(1, Math.round(picture.naturalWidth * scale));
      canvas.height = Math.max(1, Math.round(picture.naturalHeight * scale));
    }
    pictureCanvas.getContext("2d").drawImage(picture, 0, 0, pictureCanvas.width, pictureCanvas.height);
    painting = { card, button, history: [], corners: [], cursor: [maskCanvas.width / 2, maskCanvas.height / 2], isDown: false };
    coverAll();
    if (masks.has(card.image)) {
      const before = new Image();
      before.addEventListener("load", () => { uncover(before); showShare(); });
      before.src = masks.get(card.image);
    }
    showShare();
    paintDialog.showModal();
    maskCanvas.focus();
  });
  picture.src = card.large;
}

function coverAll() {
  cover.globalCompositeOperation = "source-over";
  cover.fillStyle = "rgb(214, 70, 160)";
  cover.fillRect(0, 0, maskCanvas.width, maskCanvas.height);
}

function uncover(mask) {  // an image of a mask: where it is white nothing covers the picture
  const copy = document.createElement("canvas");
  [copy.width, copy.height] = [maskCanvas.width, maskCanvas.height];
  const context = copy.getContext("2d");
  context.drawImage(mask, 0, 0, copy.width, copy.height);
  const values = context.getImageData(0, 0, copy.width, copy.height), covered = cover.getImageData(0, 0, copy.width, copy.height);
  for (let place = 0; place < values.data.length; place += 4) covered.data[place + 3] = 255 - values.data[place];
  cover.putImageData(covered, 0, 0);
}

function keepForUndo() {
  painting.history.push(cover.getImageData(0, 0, maskCanvas.width, maskCanvas.height));
  if (painting.history.length > 30) painting.history.shift();
}

function withTool(draw) {
  cover.globalCompositeOperation = tool() === "eraser" ? "source-over" : "destination-out";
  cover.fillStyle = cover.strokeStyle = "rgb(214, 70, 160)";
  draw();
  cover.globalCompositeOperation = "source-over";
}

function dab(from, to) {
  withTool(() => {
    cover.lineCap = cover.lineJoin = "round";
    cover.lineWidth = brushSize();
    cover.beginPath();
    cover.moveTo(...from);
    cover.lineTo(to[0] + 0.01, to[1]);
    cover.stroke();
  });
}

function closePolygon() {
  const { corners } = painting;
  if (corners.length > 2) {
    restoreWithoutCorners();
    keepForUndo();
    withTool(() => { cover.beginPath(); corners.forEach(corner => cover.lineTo(...corner)); cover.fill(); });
  }
  painting.corners = [];
  showShare();
}

function addCorner(place) {
  if (!painting.corners.length) painting.beforeCorners = cover.getImageData(0, 0, maskCanvas.width, maskCanvas.height);
  painting.corners.push(place);
  restoreWithoutCorners();
  cover.strokeStyle = "#fff";
  cover.lineWidth = 2;
  cover.beginPath();
  painting.corners.forEach(corner => cover.lineTo(...corner));
  cover.stroke();
  for (const corner of painting.corners) cover.strokeRect(corner[0] - 3, corner[1] - 3, 6, 6);
}

function restoreWithoutCorners() { if (painting.beforeCorners) cover.putImageData(painting.beforeCorners, 0, 0); }

function undo() {
  if (painting.corners.length) {
    const corners = painting.corners.slice(0, -1);
    restoreWithoutCorners();
    painting.corners = [];
    corners.forEach(addCorner);
  } else if (painting.history.length) cover.putImageData(painting.history.pop(), 0, 0);
  showShare();
}

function maskPng() {
  const copy = document.createElement("canvas");
  [copy.width, copy.height] = [maskCanvas.width, maskCanvas.height];
  const context = copy.getContext("2d"), values = cover.getImageData(0, 0, copy.width, copy.height);
  for (let place = 0; place < values.data.length; place += 4) {
    values.data.fill(255 - values.data[place + 3], place, place + 3);
    values.data[place + 3] = 255;
  }
  context.putImageData(values, 0, 0);
  return copy.toDataURL("image/png");
}

function paintedShare() {
  const { data: values } = cover.getImageData(0, 0, maskCanvas.width, maskCanvas.height);
  let sum = 0;
  for (let place = 3; place < values.length; place += 4) sum += 255 - values[place];
  return sum / 255 / (values.length / 4);
}

function showShare() {
  const share = paintedShare(), per = Math.round(100 * share);
  document.getElementById("share").textContent = share < 0.005 ? word("nothing_painted")
    : share > 0.98 ? word("all_painted") : word("painted_share", { share: per });
}

const placeOf = event => {
  const box = maskCanvas.getBoundingClientRect();
  return [(event.clientX - box.left) * maskCanvas.width / box.width, (event.clientY - box.top) * maskCanvas.height / box.height];
};
maskCanvas.addEventListener("pointerdown", event => {
  if (tool() === "polygon") { addCorner(placeOf(event)); return; }
  keepForUndo();
  painting.isDown = true;
  painting.cursor = placeOf(event);
  dab(painting.cursor, painting.cursor);
  maskCanvas.setPointerCapture(event.pointerId);
});
maskCanvas.addEventListener("pointermove", event => {
  if (!painting?.isDown) return;
  const next = placeOf(event);
  dab(painting.cursor, next);
  painting.cursor = next;
});
for (const name of ["pointerup", "pointercancel"]) maskCanvas.addEventListener(name, () => { if (painting) { painting.isDown = false; showShare(); } });
maskCanvas.addEventListener("keydown", event => {
  const step = brushSize() / 2, { cursor } = painting;
  const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
  if (event.key in moves) {
    const next = [Math.max(0, Math.min(maskCanvas.width, cursor[0] + moves[event.key][0])), Math.max(0, Math.min(maskCanvas.height, cursor[1] + moves[event.key][1]))];
    if (event.shiftKey && tool() !== "polygon") { keepForUndo(); dab(cursor, next); }
    painting.cursor = next;
  } else if (event.key === " " && tool() !== "polygon") { keepForUndo(); dab(cursor, cursor); }
  else if (event.key === "Enter" || event.key === " ") addCorner([...cursor]);
  else if (event.key.toLowerCase() === "z" && (event.ctrlKey || event.metaKey)) undo();
  else return;
  event.preventDefault();
  showShare();
});
document.getElementById("undo").addEventListener("click", undo);
document.getElementById("close-polygon").addEventListener("click", closePolygon);
document.getElementById("clear").addEventListener("click", () => { keepForUndo(); painting.corners = []; coverAll(); showShare(); });
document.getElementById("painted").addEventListener("click", () => {
  closePolygon();
  const { card, button } = painting;
  if (paintedShare() < 0.005) masks.delete(card.image);
  else masks.set(card.image, maskPng());
  button.textContent = paintLabel(card);
  isSaved = false;
  remember();
  paintDialog.close();
  button.focus();
});

