export { marked } from "marked";
