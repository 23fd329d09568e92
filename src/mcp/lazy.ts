/** Lists tools at once, and loads what runs them at the first call: a client waits for the list, and seldom for the rest. */
import { type CallResult, failure } from "./content.ts";
import type { Dispatch } from "./dispatch.ts";
import type { ListedTool } from "./listed.ts";

/** `load` is called once, at the first call; when it fails, each call is told so, and the next one tries again. */
export function lazyDispatch(
  offered: readonly ListedTool[],
  load: () => Promise<Dispatch>,
  onBug: (error: unknown) => void,
): Dispatch {
  let loading: Promise<Dispatch> | undefined;
  return {
    offered,
    async call(tool, args, options): Promise<CallResult> {
      let dispatch: Dispatch;
      try {
        dispatch = await (loading ??= load());
      } catch (error) {
        loading = undefined;
        onBug(error);
        return failure(error);
      }
      return await dispatch.call(tool, args, options);
    },
  };
}
