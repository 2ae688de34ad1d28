import { type IncomingMessage, ServerResponse } from 'node:http';

/**
 * Responses that ask clients to close their connection while the server stops. Otherwise each open connection would delay the shutdown (RFC
 * 9112 section 9.6). The check runs when an answer leaves, for every part of the server that writes one. For createServer()'s
 * `ServerResponse`.
 */
export function drainingResponse(isClosing: () => boolean): typeof ServerResponse<IncomingMessage> {
  return class extends ServerResponse<IncomingMessage> {
    override writeHead(...parameters: unknown[]): this {
      if (isClosing() && !this.headersSent) this.setHeader('Connection', 'close');
      return super.writeHead(...(parameters as [number]));
    }
  };
}
