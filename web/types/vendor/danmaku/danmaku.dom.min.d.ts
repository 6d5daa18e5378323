/** The part of danmaku 2.x that the pages use. */
export default class Danmaku {
  constructor(options: { container: HTMLElement; media?: unknown; speed?: number; comments?: unknown[] });
  speed: number;
  emit(comment: { mode?: "rtl" | "ltr" | "top" | "bottom"; text?: string; render?: () => HTMLElement }): this;
  resize(): this;
  clear(): this;
  show(): this;
  hide(): this;
  destroy(): this;
}
