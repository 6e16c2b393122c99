"""The look of the whole page: Gradio theme, bundled fonts, style sheets and early scripts."""

from pathlib import Path

import gradio as gr
from htpy import VoidElement, fragment, link, meta, script
from markupsafe import Markup

from tabs.shell.scripts import MAIN
from tabs.shell.styles import STYLE_DIGEST
from workbench.core.assets import ASSETS

_FACES = {"Inter": "inter.woff2", "JetBrains Mono": "jetbrains-mono.woff2"}


def static_url(path: Path) -> str:
    """Address of a file served by `gr.set_static_paths`, relative so that it survives a proxy prefix.

    A file's address changes with the file: a browser that kept the old one would mix old and new scripts.
    """
    version = f"?v={path.stat().st_mtime_ns}" if path.is_file() else ""
    return f"gradio_api/file={path.resolve().as_posix()}{version}"


def _font_face(family: str, file: str) -> str:
    url = static_url(ASSETS / "fonts" / file)
    return (
        f'@font-face {{ font-family: "{family}"; font-weight: 100 900; font-display: swap;'
        f' src: url("{url}") format("woff2"); }}'
    )


EARLY_SCRIPT = "\n".join((ASSETS / "js" / name).read_text(encoding="utf-8") for name in ("theme.js", "page_role.js"))
"""The one script that stands in the page itself; the page's policy names it by its hash."""


def _head() -> str:
    """Tags for `launch(head=)`: the remembered dark mode is applied before the first component is drawn."""
    icon = static_url(ASSETS / "icon.svg")
    return str(
        fragment[
            link(rel="icon", type="image/svg+xml", href=icon), meta(name="color-scheme", content="light dark"),
            script[Markup(EARLY_SCRIPT)],  # noqa: S704 - a file of ours
            script(type="module", src=MAIN),
        ]
    )  # fmt: skip


HEAD = _head()


def role_tag(page_name: str) -> VoidElement:
    """The tag that says whose page this is; its calls say so, too, and none reaches the page of another role."""
    return meta(name="workbench-role", content=page_name)


def theme() -> gr.themes.Base:
    """A calm, dense theme with its own fonts; nothing is fetched from outside."""
    look = gr.themes.Base(
        primary_hue=gr.themes.colors.indigo,
        secondary_hue=gr.themes.colors.indigo,
        neutral_hue=gr.themes.colors.slate,
        spacing_size=gr.themes.sizes.spacing_sm,
        radius_size=gr.themes.sizes.radius_sm,
        text_size=gr.themes.sizes.text_sm,
        font=[gr.themes.Font("Inter"), "system-ui", "sans-serif"],
        font_mono=[gr.themes.Font("JetBrains Mono"), "ui-monospace", "monospace"],
    ).set(**_SURFACES, **_INPUTS, **_BUTTONS)
    faces = (_font_face(family, file) for family, file in _FACES.items())
    look.custom_css = "\n".join((f"/* style sheets {STYLE_DIGEST} */", *faces))
    return look


_SURFACES = {
    "body_background_fill": "#f5f7fa",
    "body_background_fill_dark": "#0c121e",
    "body_text_color": "*neutral_800",
    "body_text_color_dark": "*neutral_200",
    "body_text_color_subdued": "*neutral_500",
    "body_text_color_subdued_dark": "*neutral_400",
    "background_fill_primary": "white",
    "background_fill_primary_dark": "#131b2a",
    "background_fill_secondary": "#f5f7fa",
    "background_fill_secondary_dark": "#0f1624",
    "border_color_primary": "#dfe4ec",
    "border_color_primary_dark": "#26324a",
    "block_background_fill": "transparent",
    "block_background_fill_dark": "transparent",
    "block_border_width": "0px",
    "block_border_width_dark": "0px",
    "block_shadow": "none",
    "block_shadow_dark": "none",
    "block_padding": "0px",
    "block_title_text_weight": "500",
    "block_title_text_color": "*neutral_700",
    "block_title_text_color_dark": "*neutral_300",
    "block_info_text_color": "*neutral_500",
    "block_info_text_color_dark": "*neutral_400",
    "block_label_background_fill": "transparent",
    "block_label_background_fill_dark": "transparent",
    "block_label_border_width": "0px",
    "block_label_border_width_dark": "0px",
    "block_label_shadow": "none",
    "panel_border_width": "0px",
    "layout_gap": "10px",
    "form_gap_width": "0px",
    "section_header_text_weight": "600",
}

_INPUTS = {
    "input_border_width": "1px",
    "input_border_width_dark": "1px",
    "input_border_color": "#cfd6e1",
    "input_border_color_dark": "#303d57",
    "input_background_fill": "white",
    "input_background_fill_dark": "#0e1522",
    "input_shadow": "none",
    "input_shadow_dark": "none",
    "input_border_color_focus": "var(--wb-accent)",
    "input_border_color_focus_dark": "var(--wb-accent)",
    "input_shadow_focus": "inset 0 0 0 1px var(--wb-accent)",
    "input_shadow_focus_dark": "inset 0 0 0 1px var(--wb-accent)",
    "input_padding": "6px 9px",
    "input_radius": "6px",
    "checkbox_label_background_fill": "transparent",
    "checkbox_label_background_fill_dark": "transparent",
    "checkbox_label_background_fill_hover": "*neutral_100",
    "checkbox_label_background_fill_hover_dark": "#1b2436",
    "checkbox_background_color_selected": "*primary_600",
    "checkbox_background_color_selected_dark": "*primary_500",
    "checkbox_border_color_selected": "*primary_600",
    "checkbox_border_color_selected_dark": "*primary_500",
    "slider_color": "*primary_600",
    "slider_color_dark": "*primary_500",
    "checkbox_label_shadow": "none",
    "checkbox_label_padding": "4px 8px",
    "table_radius": "6px",
}

_BUTTONS = {
    "button_large_padding": "7px 14px",
    "button_large_text_size": "13px",
    "button_large_text_weight": "600",
    "button_large_radius": "6px",
    "button_medium_padding": "6px 12px",
    "button_medium_radius": "6px",
    "button_small_padding": "4px 10px",
    "button_small_text_size": "12px",
    "button_small_text_weight": "500",
    "button_small_radius": "6px",
    "button_primary_background_fill": "*primary_600",
    "button_primary_background_fill_dark": "*primary_600",
    "button_primary_background_fill_hover": "*primary_700",
    "button_primary_background_fill_hover_dark": "*primary_700",
    "button_primary_text_color": "white",
    "button_secondary_background_fill": "white",
    "button_secondary_background_fill_dark": "#1b2436",
    "button_secondary_background_fill_hover": "*neutral_100",
    "button_secondary_background_fill_hover_dark": "#243048",
    "button_secondary_border_color": "#cfd6e1",
    "button_secondary_border_color_dark": "#303d57",
    "button_border_width": "1px",
    "button_border_width_dark": "1px",
    "button_primary_border_color": "*primary_600",
    "button_primary_border_color_dark": "*primary_600",
    "button_cancel_background_fill": "white",
    "button_cancel_background_fill_dark": "#1b2436",
    "button_cancel_text_color": "#b42318",
    "button_cancel_text_color_dark": "#fda29b",
    "button_cancel_border_color": "#e7b1ab",
    "button_cancel_border_color_dark": "#6b2a26",
}
