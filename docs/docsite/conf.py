# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of Sphinx for the documentation site: guides in Markdown, and pages that antsibull-docs writes."""

from docutils import nodes

project = "xmpp.edge"
copyright = "2026, the xmpp.edge authors"  # noqa: A001 (Sphinx reads it by this name)
html_title = project
html_short_title = project

extensions = ["myst_parser", "sphinx_antsibull_ext"]
myst_heading_anchors = 3

pygments_style = "ansible"
highlight_language = "YAML+Jinja"
html_theme = "sphinx_ansible_theme"
html_show_sphinx = False
html_copy_source = False
html_use_index = False

default_role = "any"
nitpicky = True

_ANSIBLE = "https://docs.ansible.com/projects/ansible/latest"
_PAGES = {
    "action_plugins": f"{_ANSIBLE}/plugins/action.html",
    "ansible_configuration_settings": f"{_ANSIBLE}/reference_appendices/config.html",
    "common_return_values": f"{_ANSIBLE}/reference_appendices/common_return_values.html",
    "list_of_collections": f"{_ANSIBLE}/collections/index.html",
}
"""Pages of Ansible's own documentation to which those of the modules refer. Its inventory would be a download."""
_BUILTIN = "ansible_collections.ansible.builtin."
"""Beginning of the labels of Ansible's own modules."""


def _to_ansible(_app, _env, node, text):
    """Return a link to a page of Ansible's documentation, or None for a reference to anything else."""
    target = node["reftarget"]
    address = _PAGES.get(target)
    if target.startswith(_BUILTIN):
        address = f"{_ANSIBLE}/collections/ansible/builtin/{target[len(_BUILTIN) :]}.html"
    return nodes.reference("", "", text, internal=False, refuri=address) if address else None


def setup(app):
    """Have Sphinx ask for references that it does not find itself."""
    app.connect("missing-reference", _to_ansible)
