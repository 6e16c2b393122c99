"""The commands there are, besides the kinds of job: each is a function that is imported when it is called."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Command:
    """A command by hand: its name ('data run' is the verb run of data), the function, and its line of help."""

    name: str
    target: str
    help: str


COMMANDS = (
    Command("list", "workbench.cli.shelves:list_shelf", "list what is there"),
    Command("import-model", "workbench.cli.shelf_imports:import_model", "put a model on the shelf"),
    Command("import-dataset", "workbench.cli.shelf_imports:import_dataset", "put a dataset on the shelf"),
    Command(
        "tokens", "workbench.cli.shelves:tokens",
        "show one row as the model sees it: ⟦ ⟧ around what is trained on, or colours",
    ),
    Command("delete", "workbench.cli.shelves:delete", "put a model, dataset or labelling session into the bin"),
    Command("tag", "workbench.cli.tagging:tag", "add tags to a model, dataset, job or session, or take some away"),
    Command("note", "workbench.cli.tagging:note", "write a note to a model, dataset, job or session, or print it"),
    Command("search", "workbench.cli.tagging:search", "find by name, tags, note, kind and what it was made from"),
    Command("disk", "workbench.cli.disk:disk", "what takes how much of the disk, what may go, and delete it"),
    Command("bin list", "workbench.cli.bin_managing:list_deleted", "what was deleted and can be restored"),
    Command("bin restore", "workbench.cli.bin_managing:restore", "put something that was deleted back, whole"),
    Command("bin empty", "workbench.cli.bin_managing:empty", "remove what was deleted for good, or one item of it"),
    Command("events", "workbench.cli.events_listing:events", "who changed what and when: the record of the home"),
    Command("data run", "workbench.cli.data:run", "make a dataset from a recipe (YAML with source and steps)"),
    Command("data stats", "workbench.cli.data:stats", "lengths, roles, duplicates and first words of a dataset"),
    Command("data show", "workbench.cli.data:show_row", "one row as a chat template writes it"),
    Command("data rows", "workbench.cli.data:rows", "rows of a dataset, all or those that hold a text"),
    Command("data rejected", "workbench.cli.data:rejected", "rows that could not be read, with the reasons"),
    Command("data steps", "workbench.cli.data:steps", "what every step did, or with --step what one took out and why"),
    Command("data restore", "workbench.cli.data:restore", "keep rows that a step took out or changed"),
    Command("data undo", "workbench.cli.data:undo", "go back to the steps there were before the last change"),
    Command("data export", "workbench.cli.data:export", "write a dataset as another program reads it"),
    Command("data recipe", "workbench.cli.data:recipe", "print a dataset's recipe as YAML"),
    Command("data card", "workbench.cli.data:card", "print a dataset's card"),
    Command("new", "workbench.cli.jobs:new", "write the YAML of a job or another method with its defaults"),
    Command("schema", "workbench.cli.reference:schema", "print the JSON Schema of a job or another method"),
    Command("reference", "workbench.cli.reference:reference", "print every method with its settings, as Markdown"),
    Command("run", "workbench.cli.jobs:run", "run a job here, in the foreground"),
    Command("check", "workbench.cli.checking:check", "what is wrong with a job, what a training takes and cuts off"),
    Command("submit", "workbench.cli.jobs:submit", "queue a job for the background"),
    Command("job", "workbench.cli.jobs:job_action", "look at, stop, resume or delete a job"),
    Command("merge", "workbench.cli.merging:merge", "merge models by a mergekit configuration with names of the shelf"),
    Command("merge-methods", "workbench.cli.merging:methods", "list merge methods, or one's parameters"),
    Command(
        "ensemble", "workbench.cli.merging:ensemble", "make an ensemble: models that stay apart and answer together"
    ),
    Command("family", "workbench.cli.merging:family", "the family tree of a model"),
    Command("card", "workbench.cli.merging:card", "the model card of a model"),
    Command("chat", "workbench.cli.judging:chat", "let one or more models answer"),
    Command("label", "workbench.cli.judging:label", "vote blind in the terminal"),
    Command(
        "close-session", "workbench.cli.judging:close",
        "end a session's voting for good, so that its result may be seen",
    ),
    Command(
        "recover-labels", "workbench.cli.judging:recover",
        "save what can be read of a damaged label database into a new one",
    ),
    Command("judge", "workbench.cli.judging:judge", "let the stated automatic rule vote on every open pair"),
    Command("report", "workbench.cli.judging:report", "win rates and ratings of a labelling session, with intervals"),
    Command("export-pairs", "workbench.cli.judging:export_pairs", "make a DPO dataset of a session's votes"),
    Command("session list", "workbench.cli.sessions:list_all", "the sessions with their states and counts"),
    Command("session show", "workbench.cli.sessions:show_session", "a session's state, counts and settings"),
    Command("session open", "workbench.cli.sessions:open_session", "open a draft for votes"),
    Command("session pause", "workbench.cli.sessions:pause", "take no votes until it goes on"),
    Command("session resume", "workbench.cli.sessions:resume", "go on with a paused session"),
    Command("session close", "workbench.cli.sessions:close", "end the voting for good, as close-session does"),
    Command("session archive", "workbench.cli.sessions:archive", "take a closed session out of the lists"),
    Command("session unarchive", "workbench.cli.sessions:unarchive", "put an archived session back into the lists"),
    Command("session clone", "workbench.cli.sessions:clone", "the same session again, without votes, as a draft"),
    Command("session guidelines", "workbench.cli.sessions:guidelines", "print the guidelines, or make a new version"),
    Command("session settings", "workbench.cli.sessions:settings", "print the settings, or change some"),
    Command("session add-checks", "workbench.cli.sessions:add_checks", "add questions whose answer is known"),
    Command("session add-prompts", "workbench.cli.sessions:add_prompts", "let the session's models answer more"),
    Command("session add-model", "workbench.cli.sessions:add_model", "let another model answer all its prompts"),
    Command("export-edits", "workbench.cli.labelling_quality:export_edited", "make an SFT dataset of edited answers"),
    Command("session-progress", "workbench.cli.labelling_quality:progress", "who did how much in a labelling session"),
    Command(
        "exclude-annotator", "workbench.cli.labelling_quality:exclude",
        "leave an annotator out of a session's result, or count them again",
    ),
    Command(
        "appoint-adjudicator", "workbench.cli.labelling_quality:appoint_adjudicator",
        "choose who settles disagreements in a session",
    ),
    Command("adjudicate", "workbench.cli.labelling_quality:adjudicate", "settle pairs on which votes differ, blind"),
    Command("users list", "workbench.cli.accounts_managing:list_users", "who has an account, or what happened to them"),
    Command("users add", "workbench.cli.accounts_managing:add", "make an account and a link to choose its password"),
    Command("users invite", "workbench.cli.accounts_managing:invite", "a link by which somebody makes an account"),
    Command("users role", "workbench.cli.accounts_managing:change_role", "make a person owner, annotator or viewer"),
    Command("users join", "workbench.cli.accounts_managing:join", "who may join by Hugging Face login, and as what"),
    Command("users disable", "workbench.cli.accounts_managing:disable", "end a person's logins and let none begin"),
    Command("users enable", "workbench.cli.accounts_managing:enable", "let a disabled person log in again"),
    Command("users reset", "workbench.cli.accounts_managing:reset", "end a person's logins; a link for a new password"),
    Command("backup", "workbench.cli.backups:backup", "write one archive of all but large weights, while in use"),
    Command("restore", "workbench.cli.backups:restore", "make an empty home of a backup"),
    Command("doctor", "workbench.cli.machine_checks:doctor", "prove what works on this machine; remedies for the rest"),
    Command("settings", "workbench.cli.settings_listing:settings", "what the environment sets, and what it could set"),
    Command("plugins", "workbench.cli.plugin_listing:list_plugins", "methods from outside: what they add, what failed"),
    Command("demo", "workbench.cli.program:demo", "the whole loop on the starter model, in a home of its own"),
    Command("serve", "workbench.cli.program:serve", "serve the page, as `python app.py` does"),
)  # fmt: skip
GROUPS = {
    "bin": "what was deleted: restore it, or remove it for good",
    "data": "datasets: make from a recipe, look into, undo, export",
    "session": "labelling sessions: open, pause and close them, change settings and guidelines, add to them",
    "users": "accounts: who may log in to the page, and as what",
}
