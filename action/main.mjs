// The step itself: one command of Windlass, to its end. Everything is in launch.mjs, where it can be tested.

import process from "node:process";
import { launch } from "./launch.mjs";

process.exitCode = await launch(process);
