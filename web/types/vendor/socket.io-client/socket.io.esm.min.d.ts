/** The part of socket.io-client 4.8 that the pages use. */
export interface Socket {
  connected: boolean;
  active: boolean;
  io: { on(event: string, fn: (...args: any[]) => void): void };
  on(event: string, fn: (...args: any[]) => void): this;
  off(event: string, fn: (...args: any[]) => void): this;
  timeout(ms: number): { emitWithAck(event: string, payload: unknown): Promise<any> };
  connect(): this;
  disconnect(): this;
}
export function io(namespace: string, options?: Record<string, unknown>): Socket;
