"""Folders: well-known names, the tree, refusals, deletion."""

from __future__ import annotations

from tests.simulators.microsoft365_mail.post import ANNA, IMMUTABLE, Post, u

NOTE = "Subject: x\r\n\r\ny\r\n"


def names(post: Post, path: str) -> list[str]:
    return [one["displayName"] for one in post.all(path)]


def test_well_known_folders_answer_by_name_and_by_one_constant_id(post: Post) -> None:
    for name in ("inbox", "Drafts", "SENTITEMS", "deleteditems", "archive", "junkemail", "msgfolderroot"):
        found = post.json(f"/mailFolders/{name}")
        again = post.json(f"/mailFolders/{u(found['id'])}", **IMMUTABLE)
        assert again["id"] == found["id"]
    assert post.json("/mailFolders/recoverableitemsdeletions")["displayName"] == "Deletions"
    assert post.code(post.get("/mailFolders/nosuchfolder")) == (400, "ErrorInvalidIdMalformed")
    root = post.json("/mailFolders/msgfolderroot")
    assert post.json(f"/mailFolders/{u(root['parentFolderId'])}")["parentFolderId"] is None


def test_hidden_and_search_folders(post: Post) -> None:
    shown = post.all("/mailFolders?$top=50")
    everything = post.all("/mailFolders?includeHiddenFolders=true&$top=50")
    assert {"Inbox", "Sent Items"} <= {one["displayName"] for one in shown}
    hidden = {one["displayName"] for one in everything} - {one["displayName"] for one in shown}
    assert {"Clutter", "Sync Issues"} <= hidden
    search = [one for one in shown if one.get("@odata.type") == "#microsoft.graph.mailSearchFolder"]
    assert len(search) == 1
    post.deliver(NOTE)
    assert len(post.all(f"/mailFolders/{u(search[0]['id'])}/messages")) == 1
    assert post.code(post.post(f"/mailFolders/{u(search[0]['id'])}/messages", {}))[0] == 400
    assert post.code(post.post(f"/mailFolders/{u(search[0]['id'])}/childFolders", {"displayName": "x"}))[0] == 400
    assert post.code(post.get(f"/mailFolders/{u(search[0]['id'])}/messages/delta"))[0] == 400


def test_folder_lists_have_short_pages(post: Post) -> None:
    assert len(post.json("/mailFolders?includeHiddenFolders=true")["value"]) == 10
    assert len(post.all("/mailFolders?includeHiddenFolders=true")) == 12
    assert names(post, "/mailFolders?$filter=displayName eq 'inbox'") == ["Inbox"]
    for query in ("$expand=childFolders", "$orderby=displayName", "$select=color"):
        assert post.get(f"/mailFolders?{query}").status_code == 400, query


def test_creating_and_the_refusals(post: Post) -> None:
    made = post.made("/mailFolders/inbox/childFolders", {"displayName": "Größe 📦", "isHidden": False})
    assert made["parentFolderId"] == post.json("/mailFolders/inbox")["id"]
    assert (made["totalItemCount"], made["unreadItemCount"], made["childFolderCount"]) == (0, 0, 0)
    again = post.post("/mailFolders/inbox/childFolders", {"displayName": "GRÖSSE 📦".replace("SS", "ß")})
    assert post.code(again) == (409, "ErrorFolderExists")
    for body in ({}, {"displayName": 3}, {"displayName": "x", "colour": "red"}):
        assert post.code(post.post("/mailFolders/inbox/childFolders", body)) == (400, "RequestBodyRead"), body
    for name in ("", "  ", "x" * 256):
        answer = post.post("/mailFolders/inbox/childFolders", {"displayName": name})
        assert post.code(answer) == (400, "ErrorInvalidFolderName"), name
    hidden = post.made(f"/mailFolders/{u(made['id'])}/childFolders", {"displayName": "still", "isHidden": True})
    assert names(post, f"/mailFolders/{u(made['id'])}/childFolders") == []
    assert names(post, f"/mailFolders/{u(made['id'])}/childFolders?includeHiddenFolders=true") == ["still"]
    post.deliver(NOTE, hidden["id"])
    assert post.json(f"/mailFolders/{u(hidden['id'])}")["unreadItemCount"] == 1
    assert post.ask("POST", f"/mailFolders/{u(made['id'])}/permanentDelete").status_code == 204
    assert post.code(post.get(f"/mailFolders/{u(hidden['id'])}")) == (404, "ErrorItemNotFound")


def test_renaming_moving_deleting(post: Post) -> None:
    one = post.made("/mailFolders", {"displayName": "Eins"})["id"]
    two = post.made("/mailFolders", {"displayName": "Zwei"})["id"]
    mail = post.deliver(NOTE, one)
    assert post.ask("PATCH", f"/mailFolders/{u(one)}", body={"displayName": "zwei"}).status_code == 409
    assert post.ask("PATCH", f"/mailFolders/{u(one)}", body={"displayName": "Uno"}).json()["displayName"] == "Uno"
    moved = post.made(f"/mailFolders/{u(one)}/move", {"destinationId": two})
    assert (moved["id"], moved["parentFolderId"]) == (one, two)
    assert post.code(post.post(f"/mailFolders/{u(two)}/move", {"destinationId": one}))[0] == 400
    for path in ("inbox", "deleteditems"):
        assert post.code(post.ask("DELETE", f"/mailFolders/{path}")) == (400, "ErrorDeleteDistinguishedFolder")
        assert post.ask("PATCH", f"/mailFolders/{path}", body={"displayName": "x"}).status_code == 400
    assert post.ask("DELETE", f"/mailFolders/{u(two)}").status_code == 204
    assert "Zwei" in names(post, "/mailFolders/deleteditems/childFolders")
    assert post.json(f"/messages/{u(mail)}")["parentFolderId"] == one
    assert post.ask("DELETE", f"/mailFolders/{u(two)}").status_code == 204
    assert post.code(post.get(f"/mailFolders/{u(one)}")) == (404, "ErrorItemNotFound")
    assert [entry["id"] for entry in post.all("/mailFolders/recoverableitemsdeletions/messages", **IMMUTABLE)] == [mail]


def test_hands_on_folders(post: Post) -> None:
    made = post.control.act("mail_folder_add", user=ANNA, name="Von Hand", parent="inbox")
    post.deliver(NOTE, "Inbox/Von Hand")
    post.control.act("mail_folder_rename", user=ANNA, folder=made, name="Umbenannt")
    post.control.act("mail_folder_move", user=ANNA, folder="Inbox/Umbenannt", parent="archive")
    assert names(post, "/mailFolders/archive/childFolders") == ["Umbenannt"]
    post.control.act("mail_folder_delete", user=ANNA, folder=made, purge=True)
    assert names(post, "/mailFolders/archive/childFolders") == []
    assert post.all("/messages") == []
