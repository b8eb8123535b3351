// The step itself. Everything is in launch.mjs, where it can be tested.

import process from "node:process";
import { launch } from "./launch.mjs";

process.exitCode = await launch(process.env, { stdout: process.stdout, stderr: process.stderr, signals: process });
