// What is built: the plugin, looked at once before it is a component. `build.mjs` puts the plugin's file in.

import * as plugin from "../../src/plugin.js";

if (typeof plugin.lifecycle?.plan !== "function") {
  const others = Object.keys(plugin).map((name) => `\`${name}\``);
  throw new TypeError(
    `\`src/plugin.js\` exports no \`lifecycle\`${others.length > 0 ? `, only ${others.join(", ")}` : ""}: ` +
      "write `export const lifecycle = step({ … })` in it",
  );
}

export const { lifecycle } = plugin;
