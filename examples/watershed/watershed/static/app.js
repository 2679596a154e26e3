// Buttons that talk to the JSON API and show its answer.
const out = document.getElementById("out");

async function call(method, path, body) {
  const options = { method, headers: {} };
  if (body !== undefined) {
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  const response = await fetch(path, options);
  const answer = await response.json();
  out.textContent = `${response.status} ${JSON.stringify(answer)}`;
  return answer;
}

const actions = {
  start: async (button) => {
    const { run } = await call("POST", `/api/runs/${button.dataset.run}/start`);
    await call("GET", `/api/runs/${run}/end`);
  },
  hydrograph: async (button) => {
    const response = await fetch(`/reports/${button.dataset.run}/hydrograph.csv`);
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([await response.text()]));
    link.download = "hydrograph.csv";
    link.click();
  },
  tiles: (button) => call("POST", "/api/tiles", { run: button.dataset.run }),
  nearest: () => call("GET", "/api/stations/nearest?lat=44.0&lon=-121.3"),
  forecast: () => call("GET", "/api/stations/astoria/forecast?members=4"),
  texture: () => call("POST", "/api/texture", { sand: 40, clay: 20 }),
  treatments: () =>
    call("POST", "/api/treatments", {
      station: "tahoe", soil: "vertisol", cover: "forest", treatments: ["thinning", "burn", "mulched-burn"],
    }),
  calibrate: () => call("POST", "/api/calibration", { rain_mm: [20, 45, 60, 80], runoff_mm: [1, 12, 22, 37] }),
  refresh: () => call("POST", "/api/stations/moscow/refresh"),
};

for (const [id, action] of Object.entries(actions)) {
  const button = document.getElementById(id);
  if (button) button.addEventListener("click", () => action(button));
}
