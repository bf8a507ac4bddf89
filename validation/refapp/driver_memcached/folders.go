package main

import (
	"reflect"
	"strconv"
	"strings"

	"github.com/goceleris/celeris"

	"probatorium/refapp/common"
)

type folderBody struct {
	Name string `json:"name"`
}

func (h *handlers) folders(c *celeris.Context) error {
	ctx, cancel := limit()
	defer cancel()
	all, err := h.store.folders(ctx, common.Owner(c))
	if err != nil {
		return h.refuse(c, err)
	}
	return c.JSON(200, map[string]any{"folders": all})
}

func (h *handlers) createFolder(c *celeris.Context) error {
	var asked folderBody
	if ok, answer := common.Bind(c, &asked); !ok {
		return answer
	}
	if !common.Named(asked.Name, 200) {
		return c.JSON(422, common.Problem{Error: "invalid", Detail: "name of 1 to 200 bytes"})
	}
	me := common.Owner(c)
	defer h.readBack.Lock(me)()
	ctx, cancel := limit()
	defer cancel()
	folder, err := h.store.addFolder(ctx, me, asked.Name)
	if err != nil {
		return h.refuse(c, err)
	}
	read, err := get[Folder](ctx, h.store.mirror, h.store.key("folder", me, folder.ID))
	h.check(reflect.DeepEqual(read, folder), err)
	c.SetHeader("location", "/folders/"+folder.ID)
	c.SetHeader("etag", etag(uint64(folder.Version)))
	return c.JSON(201, folder.face())
}

func (h *handlers) folder(c *celeris.Context) error {
	id, ok, answer := named(c, "folder")
	if !ok {
		return answer
	}
	ctx, cancel := limit()
	defer cancel()
	folder, err := get[Folder](ctx, h.store.client, h.store.key("folder", common.Owner(c), id))
	if err != nil {
		return h.refuse(c, err)
	}
	c.SetHeader("etag", etag(uint64(folder.Version)))
	if c.Header("if-none-match") == etag(uint64(folder.Version)) {
		return c.NoContent(304)
	}
	return c.JSON(200, folder.face())
}

func (h *handlers) renameFolder(c *celeris.Context) error {
	id, ok, answer := named(c, "folder")
	if !ok {
		return answer
	}
	var asked folderBody
	if ok, answer := common.Bind(c, &asked); !ok {
		return answer
	}
	if !common.Named(asked.Name, 200) {
		return c.JSON(422, common.Problem{Error: "invalid", Detail: "name of 1 to 200 bytes"})
	}
	match := strings.Trim(c.Header("if-match"), `"`)
	me := common.Owner(c)
	defer h.readBack.Lock(me)()
	ctx, cancel := limit()
	defer cancel()
	key := h.store.key("folder", me, id)
	folder, err := swap(ctx, h.store, key, func(f *Folder) error {
		if match != "" && match != "*" && match != strconv.Itoa(f.Version) {
			return errStale
		}
		f.Name = asked.Name
		f.Version++
		return nil
	})
	if err != nil {
		return h.refuse(c, err)
	}
	read, err := get[Folder](ctx, h.store.mirror, key)
	h.check(reflect.DeepEqual(read, folder), err)
	c.SetHeader("etag", etag(uint64(folder.Version)))
	return c.JSON(200, folder.face())
}

func (h *handlers) removeFolder(c *celeris.Context) error {
	id, ok, answer := named(c, "folder")
	if !ok {
		return answer
	}
	me := common.Owner(c)
	defer h.readBack.Lock(me)()
	ctx, cancel := limit()
	defer cancel()
	if err := h.store.removeFolder(ctx, me, id); err != nil {
		return h.refuse(c, err)
	}
	return c.NoContent(204)
}

func (h *handlers) documents(c *celeris.Context) error {
	id, ok, answer := named(c, "folder")
	if !ok {
		return answer
	}
	ctx, cancel := limit()
	defer cancel()
	folder, err := get[Folder](ctx, h.store.client, h.store.key("folder", common.Owner(c), id))
	if err != nil {
		return h.refuse(c, err)
	}
	return c.JSON(200, map[string]any{"documents": folder.Documents})
}

func (h *handlers) createDocument(c *celeris.Context) error {
	id, ok, answer := named(c, "folder")
	if !ok {
		return answer
	}
	var asked Document
	if ok, answer := common.Bind(c, &asked); !ok {
		return answer
	}
	if !common.Named(asked.Title, 200) || len(asked.Text) > longestText {
		return c.JSON(422, common.Problem{Error: "invalid", Detail: "title of 1 to 200 bytes; text of up to 64 KiB"})
	}
	me := common.Owner(c)
	defer h.readBack.Lock(me)()
	ctx, cancel := limit()
	defer cancel()
	document, err := h.store.addDocument(ctx, me, id, asked)
	if err != nil {
		return h.refuse(c, err)
	}
	read, err := get[Document](ctx, h.store.mirror, h.store.key("document", me, id+":"+document.ID))
	h.check(read == document, err)
	c.SetHeader("location", "/folders/"+id+"/documents/"+document.ID)
	return c.JSON(201, document)
}

func (h *handlers) document(c *celeris.Context) error {
	folder, ok, answer := named(c, "folder")
	if !ok {
		return answer
	}
	id, ok, answer := named(c, "document")
	if !ok {
		return answer
	}
	ctx, cancel := limit()
	defer cancel()
	document, err := get[Document](ctx, h.store.client, h.store.key("document", common.Owner(c), folder+":"+id))
	if err != nil {
		return h.refuse(c, err)
	}
	return c.JSON(200, document)
}

func (h *handlers) removeDocument(c *celeris.Context) error {
	folder, ok, answer := named(c, "folder")
	if !ok {
		return answer
	}
	id, ok, answer := named(c, "document")
	if !ok {
		return answer
	}
	me := common.Owner(c)
	defer h.readBack.Lock(me)()
	ctx, cancel := limit()
	defer cancel()
	if err := h.store.removeDocument(ctx, me, folder, id); err != nil {
		return h.refuse(c, err)
	}
	return c.NoContent(204)
}
