// Runs `promptfoo eval` in each of the folders, in one process: loading promptfoo takes longer than an evaluation.
// Its entry is loaded anew for each, and what it ends its process with is left out.
import { registerHooks } from "node:module";
import { pathToFileURL } from "node:url";

const [main, configuration, results, ...folders] = process.argv.slice(2);
const entry = pathToFileURL(main).href;
registerHooks({
  load(url, context, next) {
    const loaded = next(url, context);
    if (url.startsWith(entry)) loaded.source = String(loaded.source).replace("await shutdownGracefully();", "");
    return loaded;
  },
});
const exit = process.reallyExit.bind(process);
process.exit = () => {};
const options = ["--no-cache", "--no-write", "--no-progress-bar", "--no-table", "-o", results];
for (const [index, folder] of folders.entries()) {
  process.chdir(folder);
  process.argv = [process.argv[0], main, "eval", "-c", configuration, ...options];
  await import(`${entry}?run=${index}`);
}
exit(0);
