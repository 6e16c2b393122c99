/* Components of the page are made with Preact and htm: they need no build step, and their virtual DOM does once, for all,
   what each control would do by hand: change only what differs, and leave alone what a person is typing. */
import { h, html, render, useLayoutEffect, useRef, useState } from "../../vendor/htm-preact-standalone.module.js";
import { nextId } from "./dom.js";

/* Elements are written in html``; a component is put in with createElement, since its props are then checked. */
export { h as createElement, html, render, useLayoutEffect, useRef, useState };

/** @typedef {import("preact").VNode<any>} VNode */
/** @typedef {VNode | string | null | false | Content[]} Content */

/** An id that is the component's own for as long as it is there. */
export const useId = () => useState(nextId)[0];

/**
 * The classes that hold.
 * @param {...(string | false | null | undefined)} names
 */
export const classes = (...names) => names.filter(Boolean).join(" ");
