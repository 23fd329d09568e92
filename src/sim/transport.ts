/** Puts admitted requests to the simulator inside the process, where a connection would put them on the wire. */
import type { Answer, SendOptions } from "../pve/client.ts";
import { Refusal } from "../errors.ts";
import { type Admitted, isAdmitted } from "../safety/gate.ts";
import type { Simulator } from "./simulator.ts";

/** A function like the connection's; `tokenHeader` is the value of the Authorization header. */
export function simulatorTransport(
  simulator: Simulator,
  tokenHeader: string,
): (request: Admitted, options: SendOptions) => Promise<Answer> {
  return async (request, options) => {
    if (!isAdmitted(request)) throw new Refusal("Refused a request that the gate has not built");
    options.signal?.throwIfAborted();
    const answer = await simulator.answer({
      method: request.method,
      url: `/api2/json${request.path}${request.query === "" ? "" : `?${request.query}`}`,
      headers: {
        authorization: tokenHeader,
        ...(request.body === undefined ? {} : { "content-type": "application/x-www-form-urlencoded" }),
      },
      body: request.body ?? "",
    });
    options.signal?.throwIfAborted();
    return {
      status: answer.status,
      reason: answer.reason,
      contentType: answer.headers["content-type"] ?? "",
      body: answer.body,
    };
  };
}
