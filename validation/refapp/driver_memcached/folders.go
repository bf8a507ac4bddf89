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

// bindName reads the name of a folder; a false answer has been given.
func bindName(c *celeris.Context) (name string, ok bool, answer error) {
	var asked folderBody
	if ok, answer := common.Bind(c, &asked); !ok {
		return "", false, answer
	}
	if !common.Named(asked.Name, 200) {
		return "", false, c.JSON(422, common.Problem{Error: "invalid", Detail: "name of 1 to 200 bytes"})
	}
	return asked.Name, true, nil
}

func (h *handlers) folders(c *celeris.Context) error {
	all, err := h.store.folders(c.Context(), common.Owner(c))
	if err != nil {
		return h.refuse(c, err)
	}
	return c.JSON(200, map[string]any{"folders": all})
}

func (h *handlers) createFolder(c *celeris.Context) error {
	name, ok, answer := bindName(c)
	if !ok {
		return answer
	}
	me, ctx := common.Owner(c), c.Context()
	folder, err := h.store.addFolder(ctx, me, name)
	if err != nil {
		return h.refuse(c, err)
	}
	read, err := get[Folder](ctx, h.store.mirror, h.store.Key("folder", me, folder.ID))
	h.readBack.Count(reflect.DeepEqual(read, folder), err)
	c.SetHeader("location", "/folders/"+folder.ID)
	common.SetETag(c, folder.Version)
	return c.JSON(201, folder.face())
}

func (h *handlers) folder(c *celeris.Context) error {
	id := common.Param(c, "folder")
	folder, err := get[Folder](c.Context(), h.store.client, h.store.Key("folder", common.Owner(c), id))
	if err != nil {
		return h.refuse(c, err)
	}
	if common.SetETag(c, folder.Version) {
		return c.NoContent(304)
	}
	return c.JSON(200, folder.face())
}

func (h *handlers) renameFolder(c *celeris.Context) error {
	id := common.Param(c, "folder")
	name, ok, answer := bindName(c)
	if !ok {
		return answer
	}
	match := strings.Trim(c.Header("if-match"), `"`)
	me, ctx := common.Owner(c), c.Context()
	key := h.store.Key("folder", me, id)
	folder, err := swap(ctx, h.store, key, func(f *Folder) error {
		if match != "" && match != "*" && match != strconv.Itoa(f.Version) {
			return common.ErrStale
		}
		f.Name = name
		f.Version++
		return nil
	})
	if err != nil {
		return h.refuse(c, err)
	}
	read, err := get[Folder](ctx, h.store.mirror, key)
	h.readBack.Count(reflect.DeepEqual(read, folder), err)
	common.SetETag(c, folder.Version)
	return c.JSON(200, folder.face())
}

func (h *handlers) removeFolder(c *celeris.Context) error {
	if err := h.store.removeFolder(c.Context(), common.Owner(c), common.Param(c, "folder")); err != nil {
		return h.refuse(c, err)
	}
	return c.NoContent(204)
}

func (h *handlers) documents(c *celeris.Context) error {
	id := common.Param(c, "folder")
	folder, err := get[Folder](c.Context(), h.store.client, h.store.Key("folder", common.Owner(c), id))
	if err != nil {
		return h.refuse(c, err)
	}
	return c.JSON(200, map[string]any{"documents": folder.Documents})
}

func (h *handlers) createDocument(c *celeris.Context) error {
	id := common.Param(c, "folder")
	var asked Document
	if ok, answer := common.Bind(c, &asked); !ok {
		return answer
	}
	if !common.Named(asked.Title, 200) || len(asked.Text) > longestText {
		return c.JSON(422, common.Problem{Error: "invalid", Detail: "title of 1 to 200 bytes; text of up to 64 KiB"})
	}
	me, ctx := common.Owner(c), c.Context()
	document, err := h.store.addDocument(ctx, me, id, asked)
	if err != nil {
		return h.refuse(c, err)
	}
	read, err := get[Document](ctx, h.store.mirror, h.store.Key("document", me, id+":"+document.ID))
	h.readBack.Count(read == document, err)
	c.SetHeader("location", "/folders/"+id+"/documents/"+document.ID)
	return c.JSON(201, document)
}

func (h *handlers) document(c *celeris.Context) error {
	folder, id := common.Param(c, "folder"), common.Param(c, "document")
	document, err := get[Document](c.Context(), h.store.client, h.store.Key("document", common.Owner(c), folder+":"+id))
	if err != nil {
		return h.refuse(c, err)
	}
	return c.JSON(200, document)
}

func (h *handlers) removeDocument(c *celeris.Context) error {
	folder, id := common.Param(c, "folder"), common.Param(c, "document")
	if err := h.store.removeDocument(c.Context(), common.Owner(c), folder, id); err != nil {
		return h.refuse(c, err)
	}
	return c.NoContent(204)
}
