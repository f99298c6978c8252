"""What docs/security.md says of deleting somebody leaves nothing of them but in the audit."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

from gateway.account.migrations import migrate
from gateway.account.tables import metadata
from gateway.secret import Secret

PAGE = Path(__file__).parent.parent.parent / "docs" / "security.md"


async def test_deleting_somebody_as_the_page_says(tmp_path: Path) -> None:
    (statements,) = re.findall(r"```sql\n(.*?)```", PAGE.read_text(), re.DOTALL)
    file = tmp_path / "gateway.db"
    await migrate(Secret(f"sqlite:///{file}"))
    who = {"issuer": "https://accounts.google.com", "subject": "1001", "email": "jo@acme.example"}
    with closing(sqlite3.connect(file)) as database:
        personal = []
        for table in metadata.sorted_tables:
            names = [column.name for column in table.columns]
            if table.name in ("audit", "audit_head", "keys"):
                continue
            row = [who.get(name, "7") for name in names]
            marks = ", ".join("?" * len(row))
            database.execute(f"INSERT INTO {table.name} VALUES ({marks})", row)  # noqa: S608 - ours
            personal.append(table.name)
        for statement in filter(str.strip, statements.split(";")):
            database.execute(statement, who)
        left = {
            name: database.execute(f"SELECT count(*) FROM {name}").fetchone()[0]  # noqa: S608
            for name in personal
        }
    assert set(left.values()) == {0}, left
    assert set(personal) == {
        *("links", "removals", "preferences", "pins", "notices", "readings", "letters")
    }
